// A plugin of Miniflare: Cloudflare's own AI and Vectorize bindings on a laptop.
//
// workerd has the code of both bindings. It is JavaScript that runs in the isolate of the Worker,
// where it writes the JSON of each call and parses the answer. A laptop lacks only the service behind
// it. This plugin binds the same code to a Python process (local/bindings), so a call costs as much
// CPU and memory as in production.
const TYPE = "unsafe:local-platform"; // as in wrangler.toml

function bindingsOf({ config }) {
  return Object.entries(config.env ?? {}).filter(([, binding]) => binding.type === TYPE);
}

function serviceOf(name) {
  return `local-platform:${name}`;
}

export const plugins = {
  "local-platform": {
    getBindings(options) {
      return bindingsOf(options).map(([name, binding]) => ({
        name,
        wrapped: {
          moduleName: `cloudflare-internal:${binding.dev.options.api}`,
          innerBindings: [
            { name: "fetcher", service: { name: serviceOf(name) } },
            // Cloudflare gives these to a Vectorize binding. The AI binding does not read them.
            { name: "indexId", text: name },
            { name: "indexVersion", text: "v2" },
            { name: "useNdJson", json: "true" },
          ],
        },
      }));
    },
    getNodeBindings: () => ({}),
    getServices({ options }) {
      const { host } = new URL(process.env.PLATFORM_URL);
      return bindingsOf(options).map(([name]) => ({
        name: serviceOf(name),
        external: {
          address: host,
          http: { injectRequestHeaders: [{ name: "local-binding", value: name }] },
        },
      }));
    },
  },
};
