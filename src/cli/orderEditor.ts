import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseDocument, stringify } from 'yaml'
import { z } from 'zod'
import { Failure } from '../core/failure.ts'
import { keyTypes } from './keyFile.ts'
import type { OrderDraft } from './orderDraft.ts'
import { ask } from './prompt.ts'

const texts = z.array(z.string()).nullish()

const written = z.strictObject({
  profile: z.string().nullish(),
  authority: z.string().nullish(),
  subject: z.string().nullish(),
  dns: texts,
  ip: texts,
  email: texts,
  uri: texts,
  validDays: z.int().min(1).max(36_500).nullish(),
  keyType: z.enum(keyTypes).nullish(),
  key: z.string().nullish(),
  csr: z.string().nullish(),
})

/** The order as a file in $VISUAL or $EDITOR. What is left empty is as usual. Throws Failure('malformed'). */
export function edited(draft: OrderDraft): OrderDraft {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-csr-'))
  try {
    const file = join(folder, 'csr.yaml')
    writeFileSync(file, template(draft), { mode: 0o600 })
    openEditor(file)
    return draftIn(readFileSync(file, 'utf8'), draft)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const head = `# A certificate signing request. Save and leave the editor to send it; take all names out to give up.
# What is empty is as usual. The key is made on this machine and stays there.
#   profile, authority  where it goes (countersign profile ls)
#   dns, ip, email, uri the names of the certificate
#   subject             like "CN=www.example.org,O=Example"; else the first name
#   validDays           for how many days
#   keyType             ${keyTypes.join(', ')}
#   key, csr            files that are made
`

function template({
  profile,
  authority,
  subject,
  dns,
  ip,
  email,
  uri,
  validDays,
  keyType,
  key,
  csr,
}: OrderDraft): string {
  const fields = { profile, authority, subject, dns, ip, email, uri, validDays, keyType, key, csr }
  const filled = Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, value ?? null]))
  return `${head}${stringify(filled, { nullStr: '' })}`
}

function openEditor(file: string): void {
  const editor = process.env.VISUAL || process.env.EDITOR || 'vi'
  // The variable may hold words and options, as for every program that opens one; the file is an argument of its own.
  const { status, error } = spawnSync('sh', ['-c', `${editor} "$1"`, editor, file], { stdio: 'inherit' })
  if (error || status !== 0)
    throw new Failure('malformed', `given up: ${editor} ended with ${status ?? error?.message}`)
}

function draftIn(text: string, before: OrderDraft): OrderDraft {
  const document = parseDocument(text, { prettyErrors: true, uniqueKeys: true })
  const [broken] = document.errors
  if (broken) throw new Failure('malformed', `what you wrote is no YAML: ${broken.message.split('\n')[0]}`)
  const read = written.safeParse(document.toJS({ maxAliasCount: 10 }) ?? {})
  if (!read.success) {
    const said = read.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`)
    throw new Failure('malformed', `what you wrote: ${said.join('; ')}`)
  }
  const { dns, ip, email, uri, keyType, ...rest } = read.data
  const given = Object.fromEntries(Object.entries(rest).map(([name, value]) => [name, value ?? undefined]))
  return {
    ...given,
    dns: dns ?? [],
    ip: ip ?? [],
    email: email ?? [],
    uri: uri ?? [],
    keyType: keyType ?? before.keyType,
  }
}

const words = (text: string): string[] => text.split(/[\s,]+/).filter((word) => word !== '')

/** The order by questions at a terminal; what options say already is offered. */
export async function prompted(draft: OrderDraft): Promise<OrderDraft> {
  const profile = await ask('Profile', draft.profile ?? 'default')
  const dns = words(await ask('DNS names, between blanks', draft.dns.join(' ')))
  const ip = words(await ask('IP addresses', draft.ip.join(' ')))
  const days = await ask(
    'Valid for days (nothing: as usual)',
    draft.validDays === undefined ? '' : String(draft.validDays),
  )
  if (days !== '' && !/^[1-9]\d{0,4}$/.test(days)) throw new Failure('malformed', `${days}: a whole number of days`)
  const keyType = await ask('Key', draft.keyType)
  const key = await ask('Key file', draft.key ?? usualFile([...dns, ...ip], 'key'))
  return { ...draft, profile, dns, ip, keyType, key, ...(days === '' ? {} : { validDays: Number(days) }) }
}

/** www.example.org.key; a wildcard's star is no part of a file's name. */
export function usualFile([first = 'certificate']: readonly string[], ending: string): string {
  return `${first
    .replace(/[^A-Za-z0-9._-]/g, '_')
    .replace(/^\.+/, '_')
    .slice(0, 200)}.${ending}`
}
