// In the bundle, what the SDK's chain of credential providers is replaced by (scripts/bundle-forwarder.ts): a function finds the
// credentials of its role in the environment. Profiles, single sign-on and assumed roles are a third of the SDK, and of no use there.

export { fromEnv as defaultProvider } from '@aws-sdk/credential-provider-env'
