// A peer at its best: of the graphs it may run, the one that is fastest at this length.

import { setTimeout as sleep } from 'node:timers/promises';
import type { PeerGraph, Workload } from '@flashmla/workloads';
import { openPeer, type Peer, type PeerName, settleMs } from './peers/onnxruntime.ts';

export interface OpenedPeer {
  readonly peer: Peer;
  readonly graph: PeerGraph['name'];
  readonly output: Float32Array;
}

interface Trial extends OpenedPeer {
  readonly elapsedMs: number;
}

/**
 * Opens the peer with each graph, runs it twice, and keeps the one whose second run was fastest.
 *
 * @throws what the first graph failed with, when none of them runs
 */
export async function openFastest(
  { peerGraphs, peerInputs }: Workload,
  name: PeerName,
  threads: number,
  signal: AbortSignal,
): Promise<OpenedPeer> {
  let best: Trial | undefined;
  const failures: unknown[] = [];
  for (const graph of peerGraphs) {
    signal.throwIfAborted();
    let peer: Peer | undefined;
    try {
      peer = await openPeer(name, graph.bytes(), { threads });
      const output = await peer.run(peerInputs);
      await sleep(settleMs);
      const start = performance.now();
      await peer.run(peerInputs);
      const elapsedMs = performance.now() - start;
      await sleep(settleMs);
      if (best && best.elapsedMs <= elapsedMs) {
        await peer.dispose();
      } else {
        await best?.peer.dispose();
        best = { peer, graph: graph.name, output, elapsedMs };
      }
    } catch (error) {
      await peer?.dispose();
      failures.push(error);
    }
  }
  if (!best) throw failures[0];
  return best;
}
