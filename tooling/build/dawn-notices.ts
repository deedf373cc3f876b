// For tests that look at what a program of this repository writes to stderr: `webgpu` is installed here, for the tests of
// kernels-webgpu, and where there is a GPU Dawn looks at it and says so, in words that no option turns off (npm webgpu
// 0.6.2 on Linux: dawn::WarningLog in src/dawn/native/Limits.cpp). What a user sees has them too, with webgpu installed.

const notices = /^Warning: maxDynamic(Uniform|Storage)BuffersPerPipelineLayout artificially reduced from .*\n/gm;

export const withoutDawnNotices = (stderr: string): string => stderr.replace(notices, '');
