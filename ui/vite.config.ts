import { defineConfig } from 'vite';

export default defineConfig({
  build: { target: 'es2022', modulePreload: false, assetsInlineLimit: 0, reportCompressedSize: false },
  // While developing: `npm run dev` beside `plimsoll serve`.
  server: { proxy: { '/api': 'http://127.0.0.1:9464' } },
});
