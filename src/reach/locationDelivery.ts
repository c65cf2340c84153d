import { lstat, mkdir, realpath } from 'node:fs/promises'
import { join } from 'node:path'
import type { Installation } from '../core/installation.ts'
import { LOCATION_JOB, type LocationDelivery, pushLocation, queueLocations } from '../core/inventory/locationPush.ts'
import { VALIDATION_JOB } from '../core/inventory/validationSettings.ts'
import { walkValidations } from '../core/inventory/validationWalk.ts'
import type { JobHandlers } from '../core/jobs.ts'
import { postWebhook } from '../http/webhookPost.ts'
import { writeWhole } from './crlFile.ts'

/** `root`: the one folder below which locations may be; absent: no location of the kind folder is served. */
export function locationDelivery(root: string | undefined): LocationDelivery {
  return {
    async folder(path, files) {
      if (root === undefined)
        throw new Error(
          'no folder for locations is configured (COUNTERSIGN_LOCATION_FOLDER): nothing can be put into one',
        )
      const folder = await safeFolder(root, path)
      for (const { name, content } of files) {
        if (!isPart(name)) throw new Error('a file name that leads elsewhere')
        const file = join(folder, name)
        if ((await kindOf(file)) === 'other')
          throw new Error(`${name} is there and no plain file: nothing is written to it`)
        await writeWhole(file, [Buffer.from(content)])
      }
    },
    webhook: ({ url, ca }, message) => postWebhook({ url, ca, ...message }),
  }
}

const isPart = (part: string): boolean => /^[A-Za-z0-9_][A-Za-z0-9._-]*$/.test(part)

/** The folder, made part by part where it is missing. Rejects for a part that is a link: it would lead out of the one that is allowed. */
async function safeFolder(root: string, path: readonly string[]): Promise<string> {
  let folder = await realpath(root)
  for (const part of path) {
    if (!isPart(part)) throw new Error('a path that leads elsewhere')
    folder = join(folder, part)
    const kind = await kindOf(folder)
    if (kind === 'missing') await mkdir(folder).catch(unlessThere)
    if ((await kindOf(folder)) !== 'folder') throw new Error(`${part} is no folder of its own, or a link to another`)
  }
  return folder
}

/** Links count as what they are and not as what they lead to. */
async function kindOf(path: string): Promise<'missing' | 'folder' | 'file' | 'other'> {
  const found = await lstat(path).catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT') return undefined
    throw error
  })
  if (!found) return 'missing'
  return found.isDirectory() ? 'folder' : found.isFile() ? 'file' : 'other'
}

function unlessThere(error: unknown): void {
  if (codeOf(error) !== 'EEXIST') throw error
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined
}

/** What the inventory does without being asked: validates, and puts certificates where they belong. */
export function inventoryUpkeep(it: Installation, root: string | undefined) {
  const delivery = locationDelivery(root)
  const handlers: JobHandlers = {
    [VALIDATION_JOB]: (ref) => walkValidations(it, ref),
    [LOCATION_JOB]: (ref) => pushLocation(it, delivery, ref),
  }
  const chore = { name: 'put certificates into locations', every: 1_000, run: () => queueLocations(it) }
  return { handlers, chores: [chore] }
}
