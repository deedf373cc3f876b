// FLASHMLA_REQUIRE lists the devices that must be there: a job that is meant to test one can't pass without it.

/** Whether the absence of `device` is a failure; otherwise what needs it is skipped and says so. */
export function isRequired(device: string): boolean {
  const { FLASHMLA_REQUIRE = '' } = process.env;
  return FLASHMLA_REQUIRE.split(/[\s,]+/).includes(device);
}
