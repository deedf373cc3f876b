// As the README of @flashmla/backend says: nothing about backends that are not installed.
export default {
  ignoreWarnings: [{ module: /@flashmla[\\/]backend/, message: /Can't resolve '@flashmla\/kernels-/ }],
};
