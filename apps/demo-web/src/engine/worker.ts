// The worker that everything is computed in: it takes calls, one message each, and answers with events and a result.

import { FlashMLAError } from '@flashmla/tensor';
import type { CallName, Calls, Failure, FromWorker, ToWorker } from './protocol.ts';
import { Session } from './session.ts';

const session = new Session();
const underWay = new Map<number, AbortController>();

addEventListener('message', ({ data }: MessageEvent<ToWorker>) => {
  if (data.call === 'cancel') underWay.get(data.id)?.abort();
  else void answer(data.id, data.call, data.request);
});

async function answer<Name extends CallName>(id: number, call: Name, request: Calls[Name]['request']): Promise<void> {
  const controller = new AbortController();
  underWay.set(id, controller);
  const post = (message: FromWorker, transfer: Transferable[] = []) => postMessage(message, { transfer });
  try {
    const handler = session[call] as (
      request: Calls[Name]['request'],
      report: (event: Calls[Name]['event'], transfer?: Transferable[]) => void,
      signal: AbortSignal,
    ) => Promise<Calls[Name]['result']>;
    const report = (event: Calls[Name]['event'], transfer?: Transferable[]) => post({ id, event }, transfer);
    post({ id, result: await handler.call(session, request, report, controller.signal) });
  } catch (error) {
    post({ id, failure: failureOf(error, controller.signal) });
  } finally {
    underWay.delete(id);
  }
}

function failureOf(error: unknown, signal: AbortSignal): Failure {
  const message = error instanceof Error ? error.message : String(error);
  if (signal.aborted) return { code: 'aborted', message };
  return { code: error instanceof FlashMLAError ? error.code : 'unexpected', message };
}
