// The service worker's side that the page sees: it keeps the site for later visits, and where the host can't send the
// headers that isolate a page, it sends them, from the second load on. Only the build has one.

const tried = 'flashmla-demo-isolation-tried';

/**
 * Resolves when the page may start; never, when it is being loaded again to become isolated. Where there is no service
 * worker (development, plain http, private windows of some browsers) it resolves at once, and the page runs on one thread.
 */
export async function becomeIsolated(): Promise<void> {
  if (!import.meta.env.PROD || crossOriginIsolated || !navigator.serviceWorker || sessionStorage.getItem(tried)) return;
  sessionStorage.setItem(tried, 'yes');
  try {
    await register();
    await navigator.serviceWorker.ready;
  } catch {
    return;
  }
  location.reload();
  await new Promise(() => {});
}

/** Has the whole site kept; resolves with whether it is. */
export async function keepOffline(): Promise<boolean> {
  if (!import.meta.env.PROD || !navigator.serviceWorker) return false;
  try {
    await register();
    const { active } = await navigator.serviceWorker.ready;
    return await new Promise<boolean>((resolve) => {
      navigator.serviceWorker.addEventListener('message', ({ data }) => resolve(data === 'kept'), { once: true });
      navigator.serviceWorker.startMessages();
      active!.postMessage('keep');
    });
  } catch {
    return false;
  }
}

const register = () => navigator.serviceWorker.register(new URL('service-worker.js', document.baseURI));
