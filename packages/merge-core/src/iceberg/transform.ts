// Iceberg's partition transforms on single values (Iceberg table spec, "Partition Transforms" and appendix B).

/** A partition value: null, boolean, int/date as number, long/timestamp/decimal (unscaled) as bigint, float/double as number,
 *  string, or bytes (binary, fixed, uuid). */
export type PartitionValue = null | boolean | number | bigint | string | Uint8Array
