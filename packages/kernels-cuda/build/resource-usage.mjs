// What ptxas says of each kernel on each architecture, and the budget that it must stay in.

/**
 * From what `nvcc --resource-usage` prints: for each kernel and architecture an entry line, one of stack and spills, and one of
 * registers and static shared memory.
 */
export function parseUsage(log) {
  const usage = {};
  let entry;
  let spilled = 0;
  for (const line of log.split('\n')) {
    const compiling = /Compiling entry function '(\w+)' for '(\w+)'/.exec(line);
    if (compiling) entry = { kernel: compiling[1], architecture: compiling[2] };
    const spills = /(\d+) bytes spill stores, (\d+) bytes spill loads/.exec(line);
    if (spills) spilled = Number(spills[1]) + Number(spills[2]);
    const used = /Used (\d+) registers/.exec(line);
    if (!used || !entry) continue;
    const shared = Number(/(\d+) bytes smem/.exec(line)?.[1] ?? 0);
    usage[entry.kernel] ??= {};
    usage[entry.kernel][entry.architecture] = [Number(used[1]), spilled, shared];
    entry = undefined;
  }
  return usage;
}

const units = ['registers', 'bytes spilled', 'bytes of static shared memory'];

/** A line for each number that is above its budget, and for each kernel that has none. */
export function overBudget(usage, budget) {
  return Object.entries(usage).flatMap(([kernel, byArchitecture]) =>
    Object.entries(byArchitecture).flatMap(([architecture, numbers]) => {
      const allowed = budget[kernel]?.[architecture];
      if (!allowed) return [`${kernel} on ${architecture}: no budget`];
      return numbers.flatMap((number, i) =>
        number > allowed[i] ? [`${kernel} on ${architecture}: ${number} ${units[i]}, budget ${allowed[i]}`] : [],
      );
    }),
  );
}

/** A kernel a line, in the order of their names; architectures from the oldest on. */
export function formatBudget(usage) {
  const age = ([architecture]) => Number.parseInt(architecture.slice('sm_'.length), 10);
  const lines = Object.keys(usage)
    .sort()
    .map((kernel) => {
      const byAge = Object.entries(usage[kernel]).sort((a, b) => age(a) - age(b));
      return `  ${JSON.stringify(kernel)}: ${JSON.stringify(Object.fromEntries(byAge))}`;
    });
  return `{\n${lines.join(',\n')}\n}\n`;
}

/** The most of each kernel over all architectures, for people. */
export function formatUsage(usage) {
  const rows = Object.entries(usage).map(([kernel, byArchitecture]) => {
    const most = (i) => Math.max(...Object.values(byArchitecture).map((numbers) => numbers[i]));
    return [kernel, most(0), most(1), most(2)];
  });
  const line = (name, ...cells) => name.padEnd(36) + cells.map((cell) => `${cell}`.padStart(12)).join('');
  const head = line('most of all architectures', 'registers', 'spilled B', 'shared B');
  return [head, ...rows.sort((a, b) => b[1] - a[1]).map((row) => line(...row))].join('\n');
}
