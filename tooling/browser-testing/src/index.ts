// @flashmla/browser-testing: suites of vitest that run inside a page of a real Chromium.
// `/find-chromium` is their global set-up, `/page` what runs in the page, `/browser` for programs that are no suites.

export { testConformanceIn, testCrashIn, testLossIn } from './conformance.ts';
export { describeInBrowser } from './describe-in-browser.ts';
export { isolation, type Site, serve, workspace } from './serve.ts';
