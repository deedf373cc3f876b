// The page: its panels, and when which of them asks the worker for what.

import { App } from './app.ts';
import { becomeIsolated, keepOffline } from './offline.ts';
import { find } from './page/elements.ts';

await becomeIsolated();
await new App().start();
if (await keepOffline()) find('offline').textContent = 'This page is kept: it works offline from now on.';
