// What npm's Pyodide loader needs to run inside workerd. These names shadow the global ones in this
// module only, so the loader below stays byte for byte as npm has it.
import {
  newWasmModule,
  getRandomValues,
  monotonicDateNow,
  location,
  addEventListener,
} from "pyodide-internal:builtin_wrappers";

// The settings object that workerd calls the loader's factory with; the loader fills it in.
let runtime;

function rememberRuntime(settings) {
  runtime = settings;
  return _createPyodideModule(settings);
}

// An isolate may compile WebAssembly from bytes only through the runtime, and once it has started
// only from a function of this name.
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

// Random bytes are refused in global scope; workerd hands out fixed ones until the first request.
const crypto = { getRandomValues: (view) => getRandomValues(runtime, view) };

// The clock stands still in global scope, and Python's import system compares folder times. A proxy,
// so that `instanceof Date` goes on meaning the global one.
const Date = new Proxy(globalThis.Date, {
  get: (target, name) => (name === "now" ? monotonicDateNow : Reflect.get(target, name)),
});
