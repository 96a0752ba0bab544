import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

/** The gateway that `npm run dev` talks to; `make run` serves it on 8080. */
const gateway = process.env.TABIB_GATEWAY_URL ?? "http://127.0.0.1:8080";

export default defineConfig({
  plugins: [react()],
  build: {
    // The gateway's Content-Security-Policy allows only files of its own origin.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  server: { proxy: { "/api": gateway, "/dev": gateway } },
  test: {
    environment: "jsdom",
    globals: true,
    setupFiles: ["./src/setup-tests.ts"],
    css: false,
    // A busy machine is slow, not wrong.
    testTimeout: 60_000,
  },
});
