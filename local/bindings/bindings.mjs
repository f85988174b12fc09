// Cloudflare's own AI and Vectorize bindings on a laptop, as a plugin of Miniflare.
//
// The code of both bindings is in workerd: JavaScript that runs inside the isolate of the Worker,
// writes the JSON of each call there and parses the answer there. Only the service behind it is
// missing on a laptop. This plugin binds the same code, and puts the Python process (local/bindings)
// behind it; so what a call costs in CPU and memory is what it costs in production.
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
            // What Cloudflare gives to a Vectorize binding; that of Workers AI reads none of these.
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
