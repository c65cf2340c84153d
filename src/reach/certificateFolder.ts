import { constants, type Dirent } from 'node:fs'
import { lstat, open, readdir, realpath } from 'node:fs/promises'
import { join } from 'node:path'
import type { Look } from '../core/discovery/discoveryReach.ts'
import { certificatesInFile } from '../pki/certificateFile.ts'
import { PkiError } from '../pki/error.ts'
import { lookOf } from './tlsLook.ts'

const MOST_FILES = 1000
const DEEPEST = 4
/** Octets. */
const LARGEST = 1024 * 1024
const KINDS = /\.(?:pem|crt|cer|cert|der|p7b|p7c)$/i

export interface FoundFile {
  /** Its path below the root. */
  place: string
  look: Look
}

/**
 * Looks at a file, or at the files of a folder that are called like certificates, at most 1000 and four folders deep. No link is followed: neither one
 * on the way nor one at its end. `path`: the parts below `root`. Never rejects.
 */
export async function lookAtFiles(root: string, path: readonly string[]): Promise<FoundFile[]> {
  const place = path.join('/')
  try {
    let at = await realpath(root)
    for (const [index, part] of path.entries()) {
      at = join(at, part)
      const found = await lstat(at)
      const last = index === path.length - 1
      if (found.isFile() && last) return [{ place, look: await lookAtFile(at) }]
      if (!found.isDirectory()) return [{ place, look: refused(`${part} is a link, or neither a file nor a folder`) }]
    }
    const files: string[] = []
    await collect(at, place, files)
    if (files.length === 0) return [{ place, look: unreadable('no file in it is called like a certificate') }]
    const looked: FoundFile[] = []
    for (const file of files.sort())
      looked.push({ place: file, look: await lookAtFile(join(at, file.slice(place.length + 1))) })
    return looked
  } catch (error) {
    return [{ place, look: { outcome: 'unreachable', detail: wordsOf(error) } }]
  }
}

async function collect(folder: string, place: string, files: string[], depth = 1): Promise<void> {
  const entries: Dirent[] = await readdir(folder, { withFileTypes: true })
  for (const entry of entries) {
    if (files.length >= MOST_FILES) return
    const below = `${place}/${entry.name}`
    if (entry.isFile() && KINDS.test(entry.name)) files.push(below)
    if (entry.isDirectory() && depth < DEEPEST) await collect(join(folder, entry.name), below, files, depth + 1)
  }
}

async function lookAtFile(path: string): Promise<Look> {
  try {
    const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
    try {
      const found = await file.stat()
      if (!found.isFile()) return refused('it is no file')
      if (found.size > LARGEST) return unreadable(`it is longer than ${LARGEST / 1024} KiB`)
      const octets = Buffer.alloc(found.size)
      const { bytesRead } = await file.read(octets, 0, octets.length, 0)
      return lookOf(certificatesInFile(octets.subarray(0, bytesRead)))
    } finally {
      await file.close()
    }
  } catch (error) {
    return error instanceof PkiError ? unreadable(error.message) : { outcome: 'unreachable', detail: wordsOf(error) }
  }
}

const refused = (detail: string): Look => ({ outcome: 'refused', detail })
const unreadable = (detail: string): Look => ({ outcome: 'unreadable', detail })

/** Without the path: where the root is, is the administrator's to know. */
function wordsOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  if (code === 'ENOENT') return 'it is not there'
  return code === 'EACCES' || code === 'EPERM' ? 'the server may not read it' : `it cannot be read (${code})`
}
