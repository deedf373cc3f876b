// What an adapter tells of itself.

/** 'NVIDIA hopper, NVIDIA H100 80GB HBM3', or what of it is known. */
export function describe({ vendor, architecture, description, device, isFallbackAdapter }: GPUAdapterInfo): string {
  const parts = [[vendor, architecture].filter(Boolean).join(' '), description || device].filter(Boolean);
  const name = parts.join(', ') || 'a GPU that gives no name';
  return isFallbackAdapter ? `${name} (computed by the CPU)` : name;
}

/** Whether the CPU computes what the adapter is asked to. */
export function isOnCpu(info: GPUAdapterInfo): boolean {
  return info.isFallbackAdapter || /swiftshader|llvmpipe|basic render/i.test(describe(info));
}
