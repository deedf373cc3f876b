export declare const architectures: readonly string[];
export declare const options: readonly string[];
export declare function sourceHash(): string;
