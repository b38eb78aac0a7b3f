// What calls of AWS services other than S3 have in common.

const CALL_MS_MAX = 30_000

/** Of one call: an answer that does not come is waited for so long. */
export const callOptions = () => ({ abortSignal: AbortSignal.timeout(CALL_MS_MAX) })

/** Whether a call was never sent, for want of credentials or a region in this process. */
export function lacksSettings({ name, message }: Error): boolean {
  return name === 'CredentialsProviderError' || /^Region is missing/.test(message)
}
