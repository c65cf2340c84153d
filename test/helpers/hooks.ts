import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** Writes a shell script for a client to call; gives its path. */
export function writeHook(folder: string, name: string, ...lines: string[]): string {
  const path = join(folder, name)
  writeFileSync(path, ['#!/bin/sh', 'set -e', ...lines, ''].join('\n'))
  chmodSync(path, 0o755)
  return path
}
