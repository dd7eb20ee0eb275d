import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

// Assets are named relative to the document's base element, so the pages work below any path.
export default defineConfig({
  base: "./",
  plugins: [react()],
  build: { target: "es2022", assetsInlineLimit: 0, chunkSizeWarningLimit: 800 },
  server: { proxy: { "/api": { target: "http://127.0.0.1:8083", ws: true } } },
});
