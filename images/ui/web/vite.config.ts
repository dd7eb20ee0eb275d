import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

import react from "@vitejs/plugin-react";
import { defineConfig, type Plugin } from "vite";

/** Each script and style sheet once more, compressed: the backend gives these out as they are. */
const packed: Plugin = {
  name: "packed",
  // From what is written at last, for chunks change until then.
  writeBundle({ dir = "dist" }, bundle) {
    for (const name of Object.keys(bundle).filter((one) => /\.(js|css)$/.test(one))) {
      const path = join(dir, name);
      writeFileSync(`${path}.gz`, gzipSync(readFileSync(path), { level: 9 }));
    }
  },
};

// Assets are named relative to the document's base element, so the pages work below any path.
export default defineConfig({
  base: "./",
  plugins: [react(), packed],
  build: { target: "es2022", assetsInlineLimit: 0, chunkSizeWarningLimit: 800 },
  server: { proxy: { "/api": { target: "http://127.0.0.1:8083", ws: true } } },
});
