// Shaders are files of their own; tsup puts their text into the build, where no minifier touches it.

declare module '*.glsl' {
  const source: string;
  export default source;
}
