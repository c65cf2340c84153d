import { randomBytes } from 'node:crypto'
import { mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'

/**
 * Writes a file, in parts that follow each other, so that whoever reads it finds the whole old or the whole new one, also after a power cut. Its
 * folder is made where it is missing. A file that holds these octets already is left alone.
 */
export async function writeWhole(path: string, parts: readonly Buffer[]): Promise<void> {
  if (await holds(path, parts)) return
  const folder = dirname(path)
  await mkdir(folder, { recursive: true })
  const beside = join(folder, `.${basename(path)}.${randomBytes(6).toString('hex')}.tmp`)
  try {
    const file = await open(beside, 'wx', 0o644)
    try {
      for (const part of parts) await file.writeFile(part)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(beside, path)
  } catch (error) {
    await rm(beside, { force: true })
    throw error
  }
  await syncFolder(folder)
}

async function holds(path: string, parts: readonly Buffer[]): Promise<boolean> {
  const size = parts.reduce((sum, { length }) => sum + length, 0)
  const found = await stat(path).catch(() => undefined)
  if (!found?.isFile() || found.size !== size) return false
  const octets = await readFile(path)
  let at = 0
  return parts.every((part) => {
    const same = octets.subarray(at, at + part.length).equals(part)
    at += part.length
    return same
  })
}

/** The new name outlives a power cut too. Some file systems have no such thing. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  await handle.sync().catch(() => {})
  await handle.close()
}
