import { mkdtempSync, openSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { keptFiles, makeBackup } from '../../src/cli/backup/backup.ts'
import { partialOf, putInPlace } from '../../src/cli/backup/partial.ts'
import { examine } from '../../src/cli/backup/restore.ts'
import { compose } from '../../src/compose.ts'
import { createLog } from '../../src/log.ts'

const passphrase = 'correct horse battery'
let folder: string
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'countersign-backup-'))
  const made = await compose({ dataFolder: folder, httpBaseUrl: 'http://localhost' }, createLog('silent'), () => {})
  await made.close()
})
afterEach(() => rmSync(folder, { recursive: true }))

const backup = (name: string) => makeBackup({ dataFolder: folder }, join(folder, name), passphrase)
const left = () => readdirSync(folder).filter((name) => name.includes('backup'))

test('of several to one file at once, one is there and whole, and the others are refused', async () => {
  const ended = await Promise.allSettled([1, 2, 3].map(() => backup('one.backup')))
  const made = ended.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
  expect(made).toHaveLength(1)
  for (const one of ended)
    if (one.status === 'rejected')
      expect(one.reason).toMatchObject({ code: 'conflict', detail: expect.stringMatching(/nothing is overwritten/) })
  const { manifest } = await examine(join(folder, 'one.backup'), passphrase)
  expect(manifest.madeAt).toBe(made[0]?.madeAt)
  expect(left()).toEqual(['one.backup'])
})

test('what appears under its name meanwhile stays', async () => {
  const making = backup('one.backup')
  writeFileSync(join(folder, 'one.backup'), 'somebody else’s')
  await expect(making).rejects.toMatchObject({ code: 'conflict' })
  expect(readFileSync(join(folder, 'one.backup'), 'utf8')).toBe('somebody else’s')
  expect(left()).toEqual(['one.backup'])
})

test('what killed runs have left is taken away, and not what another one writes', async () => {
  const ended = 2 ** 22 + 1
  for (const pid of [ended, process.pid]) writeFileSync(join(folder, `one.backup.${pid}-0123abcd.partial`), 'x')
  writeFileSync(join(folder, `two.backup.${ended}-0123abcd.partial`), 'x')
  await backup('one.backup')
  expect(left().sort()).toEqual([
    'one.backup',
    `one.backup.${process.pid}-0123abcd.partial`,
    `two.backup.${ended}-0123abcd.partial`,
  ])
})

test('where the file system has no links, nothing is overwritten either', async () => {
  const file = join(folder, 'one.backup')
  const link = () => {
    throw Object.assign(new Error('operation not permitted'), { code: 'EPERM' })
  }
  const [one, two] = [partialOf(file), partialOf(file)]
  for (const partial of [one, two]) writeFileSync(partial, partial)
  putInPlace(one, file, link)
  expect(readFileSync(file, 'utf8')).toBe(one)
  expect(() => putInPlace(two, file, link)).toThrow(/nothing is overwritten/)
  expect(readFileSync(file, 'utf8')).toBe(one)
})

test('the next key that takes the place of the first while the files are read is no fault of theirs', async () => {
  const [key, next] = ['key.secret', 'key.secret.next'].map((name) => join(folder, name)) as [string, string]
  writeFileSync(next, 'bmV4dA==\n', { mode: 0o600 })
  const files = keptFiles(folder, (path) => {
    if (path === next) renameSync(next, key)
    return openSync(path, 'r')
  })
  expect(files.map(({ name }) => name)).toEqual(['key.secret'])
  expect(files[0]).toMatchObject({ mode: 0o600, content: expect.not.stringMatching(/^$/) })
})

test('what cannot be read is said by its name', () => {
  const open = () => {
    throw Object.assign(new Error('permission denied'), { code: 'EACCES' })
  }
  expect(() => keptFiles(folder, open)).toThrow(/key\.secret: cannot be read \(EACCES\)/)
})
