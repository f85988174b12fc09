// Workers AI and Vectorize for a laptop: every call goes on to the Python process that implements
// them (local/platform), and its answer or error comes back as the real binding's would.
import { WorkerEntrypoint } from "cloudflare:workers";

async function forward(env, binding, method, args) {
  const response = await fetch(`${env.PLATFORM_URL}/rpc/${binding}/${method}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ arguments: args }, plain),
  });
  const { result, error } = await response.json();
  if (error) {
    throw Object.assign(new Error(error.message), { name: error.name });
  }
  return result;
}

// JSON would write a typed array as an object with a key per element.
function plain(_key, value) {
  return ArrayBuffer.isView(value) ? Array.from(value) : value;
}

export class Ai extends WorkerEntrypoint {
  run(...args) {
    return forward(this.env, "AI", "run", args);
  }
}

// RPC offers the methods of a class's prototype only, so they are put there one by one.
function vectorize(binding) {
  const entrypoint = class extends WorkerEntrypoint {};
  const methods = ["describe", "query", "queryById", "insert", "upsert", "getByIds", "deleteByIds"];
  for (const method of methods) {
    entrypoint.prototype[method] = function (...args) {
      return forward(this.env, binding, method, args);
    };
  }
  return entrypoint;
}

export class Vectorize384 extends vectorize("VECTORIZE_384") {}
export class Vectorize768 extends vectorize("VECTORIZE") {}
export class Vectorize1024 extends vectorize("VECTORIZE_1024") {}

export default {
  fetch: () => new Response("This Worker answers calls of its entrypoints only.", { status: 404 }),
};
