// As the README of @flashmla/kernels-webgl says: gpu.js is a larger chunk than Vite finds good.
export default { build: { chunkSizeWarningLimit: 700 } };
