// A WebGL2 context that can compute, or why there is none.

/** A context and what limits it; or the reason why there is none, for people. */
export type Found = { readonly gl: WebGL2RenderingContext; readonly renderer: string } | { readonly reason: string };

/** Makes a context with a canvas of its own. It is open until `closeContext`. */
export function openContext(): Found {
  const canvas =
    typeof document === 'object'
      ? document.createElement('canvas')
      : typeof OffscreenCanvas === 'function'
        ? new OffscreenCanvas(1, 1)
        : undefined;
  if (!canvas) return { reason: 'WebGL2 is in browsers only; use @flashmla/kernels-cpu here' };
  canvas.width = canvas.height = 1;
  // Both kinds have this overload; their union has none.
  const gl = (canvas as HTMLCanvasElement).getContext('webgl2', { alpha: false, depth: false, antialias: false });
  if (!gl) return { reason: 'this browser gives no WebGL2 context; update it, or turn hardware acceleration on' };
  if (!gl.getExtension('EXT_color_buffer_float')) {
    closeContext(gl);
    return { reason: 'this GPU does not render to float textures (EXT_color_buffer_float)' };
  }
  return { gl, renderer: rendererOf(gl) };
}

/** Browsers keep few contexts, and drop the oldest when there are too many: one that is not needed must be given back. */
export function closeContext(gl: WebGL2RenderingContext): void {
  if (!gl.isContextLost()) gl.getExtension('WEBGL_lose_context')?.loseContext();
}

/** The GPU's name, as far as the browser tells it. */
function rendererOf(gl: WebGL2RenderingContext): string {
  const info = gl.getExtension('WEBGL_debug_renderer_info');
  return String(gl.getParameter(info ? info.UNMASKED_RENDERER_WEBGL : gl.RENDERER));
}
