// Keeps the page for later visits without a network, and isolates it (COOP, COEP) where its host can't send headers.
// Only the build has it: build/offline-files.ts writes the list of files into it. All it answers are requests to its own
// folder; everything else is left to the browser.

declare const self: ServiceWorkerGlobalScope;

// A module, so that `self` can be declared anew; nothing of it is left in the script.
export {};

const files = JSON.parse('__FILES__') as string[];
const cacheName = `flashmla-demo-${'__BUILD__'}`;

/** A file is the same whoever asks: `Vary: Origin`, which some hosts send, must not hide it from a script's request. */
const whoever = { ignoreVary: true };

const urlOf = (file: string) => new URL(file, self.registration.scope).href;
const page = () => urlOf('index.html');

self.addEventListener('install', (event) => {
  // At once: a page that waits for isolation should not wait for the model as well.
  self.skipWaiting();
  event.waitUntil(caches.open(cacheName));
});

self.addEventListener('activate', (event) => {
  event.waitUntil(self.clients.claim());
});

/** The page asks for this when it is idle: whatever it has not fetched yet is fetched, and older builds are forgotten. */
self.addEventListener('message', (event) => {
  if (event.data !== 'keep') return;
  event.waitUntil(
    keepAll().then(
      () => event.source?.postMessage('kept'),
      // Offline, or no room: what is there still works, and the next visit tries again.
      () => event.source?.postMessage('not kept'),
    ),
  );
});

self.addEventListener('fetch', (event) => {
  const { request } = event;
  if (request.method !== 'GET' || !request.url.startsWith(self.registration.scope)) return;
  event.respondWith(answer(request));
});

async function keepAll(): Promise<void> {
  const cache = await caches.open(cacheName);
  const kept = new Set((await cache.keys()).map(({ url }) => url));
  await cache.addAll(files.map(urlOf).filter((url) => !kept.has(url)));
  for (const name of await caches.keys()) {
    if (name.startsWith('flashmla-demo-') && name !== cacheName) await caches.delete(name);
  }
}

/** A navigation asks the network first, so that a new build is seen; files have their hash in the name and are kept. */
async function answer(request: Request): Promise<Response> {
  const cache = await caches.open(cacheName);
  if (request.mode === 'navigate') {
    const fresh = await fetch(request).catch(() => undefined);
    if (fresh?.ok) return isolated(fresh);
    return isolated((await caches.match(page(), whoever)) ?? fresh ?? Response.error());
  }
  const kept = (await cache.match(request, whoever)) ?? (await caches.match(request, whoever));
  if (kept) return isolated(kept);
  const response = await fetch(request);
  if (response.status === 200 && files.some((file) => urlOf(file) === request.url)) {
    await cache.put(request, response.clone());
  }
  return isolated(response);
}

function isolated(response: Response): Response {
  if (response.status === 0) return response;
  const headers = new Headers(response.headers);
  headers.set('Cross-Origin-Opener-Policy', 'same-origin');
  headers.set('Cross-Origin-Embedder-Policy', 'require-corp');
  headers.set('Cross-Origin-Resource-Policy', 'same-origin');
  return new Response(response.body, { status: response.status, statusText: response.statusText, headers });
}
