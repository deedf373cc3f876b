// How far a long call has come.

export interface Progress {
  /** What is being done. */
  readonly task: 'load' | 'run' | 'fit' | 'verify';
  /** Of `total`, in the same unit: bytes for 'load', otherwise tokens times layers. */
  readonly done: number;
  readonly total: number;
}

export type ProgressListener = (progress: Progress) => void;

/** Reports progress in steps; undefined where nobody listens. */
export function stepper(
  listener: ProgressListener | undefined,
  task: Progress['task'],
  total: number,
): ((step: number) => void) | undefined {
  let done = 0;
  return (
    listener &&
    ((step) => {
      done += step;
      listener({ task, done, total });
    })
  );
}
