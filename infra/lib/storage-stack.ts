// What must outlive a pipeline, in a stack of its own that cannot be deleted by mistake.

import { Stack, type StackProps } from 'aws-cdk-lib'
import type { Construct } from 'constructs'
import { Storage, type StorageProps } from './storage.ts'

export class StorageStack extends Stack {
  readonly storage: Storage

  constructor(scope: Construct, id: string, props: StorageProps & StackProps) {
    super(scope, id, { terminationProtection: true, ...props })
    this.storage = new Storage(this, 'Storage', props)
  }
}
