// A peer at its best: of the graphs it may run, the one that is fastest at this length.

import { setTimeout as sleep } from 'node:timers/promises';
import type { PeerGraph, PeerName, Workload } from '@flashmla/workloads';
import type { GraphFiles } from './graph-files.ts';
import { openPeer, type Peer, type PeerOptions, settleMs } from './open-peer.ts';

export interface OpenedPeer {
  readonly peer: Peer;
  readonly graph: PeerGraph['name'];
  readonly output: Float32Array;
  /** Of its second run. */
  readonly elapsedMs: number;
}

/**
 * Opens the peer with each graph, runs it twice, and keeps the one whose second run was fastest.
 *
 * @throws what the first graph failed with, when none of them runs
 */
export async function openFastest(
  { peerInputs: inputs, peerOutputs }: Workload,
  graphs: readonly PeerGraph[],
  name: PeerName,
  files: GraphFiles,
  options: Omit<PeerOptions, 'inputs'>,
): Promise<OpenedPeer> {
  let best: OpenedPeer | undefined;
  const failures: unknown[] = [];
  for (const graph of graphs) {
    let peer: Peer | undefined;
    try {
      peer = await openPeer(name, await files.fileOf(graph), { ...options, inputs });
      const output = await peer.output(peerOutputs.compared);
      await sleep(settleMs);
      const elapsedMs = await peer.run(peerOutputs.timed);
      await sleep(settleMs);
      if (best && best.elapsedMs <= elapsedMs) {
        peer.dispose();
      } else {
        best?.peer.dispose();
        best = { peer, graph: graph.name, output, elapsedMs };
      }
    } catch (error) {
      peer?.dispose();
      options.signal.throwIfAborted();
      failures.push(error);
    }
  }
  if (!best) throw failures[0];
  return best;
}
