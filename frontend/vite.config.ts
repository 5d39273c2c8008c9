import { defineConfig } from "vite";

export default defineConfig({
  base: "/",
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    outDir: "../src/headwater/web/static",
    emptyOutDir: true,
    modulePreload: false, // its polyfill would be an inline script on old browsers
    assetsInlineLimit: 0,
    target: "es2022",
  },
});
