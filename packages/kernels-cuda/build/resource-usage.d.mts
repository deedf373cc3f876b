/** By kernel and architecture: registers, bytes spilled, bytes of static shared memory. */
export type Usage = Record<string, Record<string, number[]>>;
export declare function parseUsage(log: string): Usage;
export declare function overBudget(usage: Usage, budget: Usage): string[];
export declare function formatBudget(usage: Usage): string;
export declare function formatUsage(usage: Usage): string;
