import type { Config } from '../../config.ts'
import { Failure } from '../../core/failure.ts'
import type { Value } from '../../db/portableRows.ts'
import type { Snapshot } from '../../db/snapshot.ts'
import { isKeyOf, type KeySecret, keyInText, keyOf, secretFrom } from '../../key/keySecret.ts'
import type { KeptFile } from './archive.ts'

/**
 * Throws Failure('conflict') where the key that would be kept with a database, or that the environment has, is not the one that its secrets are sealed
 * under: a backup without that is none.
 */
export async function requireOwnKey(
  snapshot: Snapshot,
  files: readonly KeptFile[],
  { dataFolder, keySecret }: Pick<Config, 'dataFolder' | 'keySecret'>,
): Promise<void> {
  const settings = await recordsOf(snapshot, 'settings')
  const setting = (wanted: string) => settings.find(({ name }) => name === wanted)?.value
  const rows = (await recordsOf(snapshot, 'key_secrets')).map(({ key_id, created_at }) => {
    return { key_id: String(key_id), created_at: Number(created_at) }
  })
  const proof = setting('key_proof')
  const known = { rows, proof: proof === undefined ? undefined : String(proof) }
  // Nothing was sealed yet.
  if (rows.length === 0 && proof === undefined) return
  const keys: (KeySecret | undefined)[] =
    keySecret === undefined
      ? files.filter(({ name }) => name.startsWith('key.secret')).map(keyInFile)
      : [keyOf(await secretFrom(keySecret, async () => String(setting('key_salt') ?? '')))]
  if (keys.some((key) => key && isKeyOf(known, key))) return
  const what =
    keySecret !== undefined
      ? 'COUNTERSIGN_KEY_SECRET is not the key of this database'
      : keys.length === 0
        ? `there is no key.secret in ${dataFolder}`
        : `key.secret in ${dataFolder} is not the key of this database`
  throw new Failure(
    'conflict',
    `${what}: nothing could be restored from a backup without it, and none is made; put the right one back first`,
  )
}

function keyInFile({ content }: KeptFile): KeySecret | undefined {
  return keyInText(Buffer.from(content, 'base64').toString('utf8'))
}

/** All rows of a small table. */
async function recordsOf(snapshot: Snapshot, name: string): Promise<Record<string, Value>[]> {
  const table = snapshot.tables.find((table) => table.name === name)
  if (!table) return []
  const records: Record<string, Value>[] = []
  for await (const rows of snapshot.rows(table))
    for (const row of rows)
      records.push(Object.fromEntries(table.columns.map(({ name }, at) => [name, row[at] ?? null])))
  return records
}
