import type { Command } from 'commander'
import * as operations from '../operations/cmp.ts'
import { defineSharedSecrets } from './sharedSecret.ts'

/** Shared secrets with which clients of CMP protect their first messages: RFC 9483 section 4.1.5. */
export function define(cmp: Command): void {
  defineSharedSecrets(cmp, operations, { name: 'reference', where: ' (senderKID)' })
}
