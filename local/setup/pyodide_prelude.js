// Names that npm's Pyodide loader needs inside workerd. They shadow the global names in this module
// only, so the loader below needs no change.
import {
  newWasmModule,
  getRandomValues,
  monotonicDateNow,
  location,
  addEventListener,
} from "pyodide-internal:builtin_wrappers";

// The settings object that workerd passes to the factory of the loader. The loader fills it in.
let runtime;

function rememberRuntime(settings) {
  runtime = settings;
  return _createPyodideModule(settings);
}

// An isolate may compile WebAssembly from bytes only through the runtime. After its start the calling
// function must have this name.
function generate(bytes) {
  return newWasmModule(bytes);
}

function CompiledModule(bytes) {
  return generate(bytes);
}
Object.setPrototypeOf(CompiledModule, globalThis.WebAssembly.Module);
CompiledModule.prototype = globalThis.WebAssembly.Module.prototype;

const WebAssembly = Object.create(globalThis.WebAssembly, {
  Module: { value: CompiledModule },
  instantiate: {
    value: async (source, imports) => {
      if (source instanceof globalThis.WebAssembly.Module) {
        return new globalThis.WebAssembly.Instance(source, imports);
      }
      const module = generate(source);
      return { module, instance: new globalThis.WebAssembly.Instance(module, imports) };
    },
  },
});

// Random bytes are refused in global scope. workerd returns fixed ones until the first request.
const crypto = { getRandomValues: (view) => getRandomValues(runtime, view) };

// The clock stands still in global scope, but Python's import system compares times of folders. A
// proxy keeps `instanceof Date` working.
const Date = new Proxy(globalThis.Date, {
  get: (target, name) => (name === "now" ? monotonicDateNow : Reflect.get(target, name)),
});
