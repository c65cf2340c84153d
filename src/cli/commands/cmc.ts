import type { Command } from 'commander'
import * as operations from '../operations/cmc.ts'
import { defineSharedSecrets } from './sharedSecret.ts'

/** Shared secrets with which clients of CMC prove who they are: RFC 10002 section 6.2. */
export function define(cmc: Command): void {
  defineSharedSecrets(cmc, operations, { name: 'identification', where: '' })
}
