import { X509Certificate } from 'node:crypto'
import { withTables } from '../../db/tables.ts'
import { isUniqueViolation, transaction } from '../../db/transaction.ts'
import type { AuthorityView } from '../admin.ts'
import { type AdminContext, actorOf, isSuperuser, requireCapability } from '../adminActor.ts'
import { audit } from '../audit/audit.ts'
import { loadAuthority } from '../authority/authority.ts'
import { type Belonging, checkName } from '../authority/authorityAdmin.ts'
import { creating } from '../authority/authorityChange.ts'
import { findAuthorityRow, showAuthority } from '../authority/authorityView.ts'
import { accountKeyPurpose, loadUpstreamAccount, viewUpstream } from '../authority/upstreamAccount.ts'
import type { Registration, UpstreamAccount } from '../authority/upstreamCa.ts'
import type { UpstreamSettings } from '../authority/upstreamSettings.ts'
import { Failure } from '../failure.ts'
import type { Installation } from '../installation.ts'
import { generateKey, storeKey } from '../key.ts'
import type { CoreTables } from '../tables.ts'
import { uuidv7 } from '../uuid.ts'

/** What it takes to have an account at a CA. */
export interface RegistrationDraft {
  /** That an administrator has read and agrees to its terms. */
  agreeTerms: boolean
  /** `key`: the MAC key in base64url, used once and not kept. */
  externalAccount?: { kid: string; key: string }
}

export interface NewUpstreamAuthority extends RegistrationDraft {
  name: string
  organization?: string
  owner?: string
  /** https; http only on this machine itself, and only a superuser. */
  directory: string
  /** Mail addresses. */
  contact: string[]
  /** Who signed the certificate of the CA's web server. */
  caPem?: string
  proof?: UpstreamSettings['proof']
}

/** How an upstream CA was found. */
export interface UpstreamExamined {
  directory: string
  /** Whether it knows the account. */
  known: boolean
  /** Whether it can be asked to revoke. */
  revokes: boolean
}

/** Authorities whose certificates another CA signs, over RFC 8555. */
export interface UpstreamAdmin {
  /**
   * Asks the CA for an account and stores the authority. Needs create_ca. Throws malformed, conflict, forbidden; unavailable for a CA that does not
   * answer; any other code with the words of a CA that refuses.
   */
  addUpstreamAuthority(draft: NewUpstreamAuthority): Promise<AuthorityView>
  /** A new account, of a new key, where the CA has lost the old one. Needs manage. Throws as addUpstreamAuthority. */
  registerUpstream(name: string, draft: RegistrationDraft): Promise<AuthorityView>
  /** Asks the CA for its directory and the account. Throws unavailable, notFound, unsupported. */
  examineUpstream(name: string): Promise<UpstreamExamined>
}

export function upstreamAdmin(context: AdminContext): UpstreamAdmin {
  return {
    addUpstreamAuthority: (draft) => add(context, draft),
    registerUpstream: (name, draft) => register(context, name, draft),
    examineUpstream: (name) => examine(context, name),
  }
}

async function add(context: AdminContext, draft: NewUpstreamAuthority): Promise<AuthorityView> {
  const { it, requester } = context
  checkName(draft.name)
  const belonging = await creating(context, draft)
  const { directory, caPem } = draft
  // As it will be read: spaces around it, and line feeds within, do not count there.
  const insecure = URL.canParse(directory) && new URL(directory).protocol === 'http:'
  if (insecure && !isSuperuser(await actorOf(it.db, requester)))
    throw new Failure('forbidden', 'a directory without https, on this machine, needs a superuser')
  if (caPem !== undefined) checkPem(caPem)
  await refuseKnown(it, draft.name)
  const contact = draft.contact.map(asMailto)
  const account = { directory, key: generateKey('P-256'), ...(caPem === undefined ? {} : { caPem }) }
  const url = await registered(it, account, { ...draft, contact })
  await store(context, { ...draft, ...belonging, contact, account: { ...account, url } })
  return showAuthority(context, draft.name)
}

/** Before a CA is asked for an account that nobody would use. */
async function refuseKnown(it: Installation, name: string): Promise<void> {
  const row = await withTables<CoreTables>(it.db)
    .selectFrom('authorities')
    .select('id')
    .where('name', '=', name)
    .executeTakeFirst()
  if (row) throw new Failure('conflict', `there is an authority ${name} already`)
}

/** Asks for an account. Answers its URL. */
async function registered(
  it: Installation,
  account: UpstreamAccount,
  { contact, agreeTerms, externalAccount }: RegistrationDraft & Pick<Registration, 'contact'>,
): Promise<string> {
  const { upstream } = it.makers.acme(undefined, undefined, account)
  if (!upstream) throw new Failure('unsupported', 'this installation speaks to no CA upstream')
  const secret = externalAccount && macKey(externalAccount.key)
  if (externalAccount?.kid === '') throw new Failure('malformed', 'an external account has a name (kid) and a key')
  const { termsOfService, externalAccountRequired } = await upstream.directory()
  if (termsOfService !== undefined && !agreeTerms)
    throw new Failure('malformed', `the CA wants you to agree to its terms first (--agree-terms): ${termsOfService}`)
  if (externalAccountRequired && !externalAccount)
    throw new Failure(
      'malformed',
      'the CA gives accounts only to its own customers: name the external account and its key',
    )
  return upstream.register({
    contact,
    agreeTerms,
    ...(externalAccount && secret ? { externalAccount: { kid: externalAccount.kid, secret } } : {}),
  })
}

function macKey(text: string): Buffer {
  if (!/^[A-Za-z0-9+/_-]{16,}={0,2}$/.test(text))
    throw new Failure('malformed', 'the key of an external account is written in base64url, and has at least 12 octets')
  return Buffer.from(text, 'base64url')
}

function asMailto(address: string): string {
  const plain = address.replace(/^mailto:/i, '')
  if (!/^[^\s@,?%]+@[^\s@,?%]+$/.test(plain)) throw new Failure('malformed', `${address} is no mail address`)
  return `mailto:${plain}`
}

function checkPem(pem: string): void {
  try {
    new X509Certificate(pem)
  } catch (cause) {
    throw new Failure('malformed', 'the CA file holds no certificate in PEM', { cause })
  }
}

interface Stored extends NewUpstreamAuthority, Belonging {
  account: UpstreamAccount & { url: string }
}

async function store({ it, requester: actor }: AdminContext, made: Stored): Promise<void> {
  const { name, organizationId, ownerId, account, contact, proof, externalAccount } = made
  const at = it.clock()
  const settings = proof === undefined ? {} : { upstream: { proof } }
  try {
    await transaction(it.db, async (db) => {
      const tables = withTables<CoreTables>(db)
      const { key } = account
      const keyId = await storeKey(db, it.vault, { key, purpose: accountKeyPurpose, organizationId }, { actor, at })
      const { id } = await tables
        .insertInto('authorities')
        .values({
          uuid: uuidv7(at),
          organization_id: organizationId,
          name,
          kind: 'acme',
          owner_id: ownerId,
          enabled: 1,
          settings: JSON.stringify(settings),
          created_at: at.getTime(),
        })
        .returning('id')
        .executeTakeFirstOrThrow()
      await tables
        .insertInto('upstream_accounts')
        .values({
          authority_id: id,
          key_id: keyId,
          directory: account.directory,
          account_url: account.url,
          contact: JSON.stringify(contact),
          eab_kid: externalAccount?.kid ?? null,
          ca_pem: account.caPem ?? null,
          created_at: at.getTime(),
        })
        .execute()
      const details = { name, kind: 'acme', ownerId, settings, directory: account.directory, account: account.url }
      await audit(db, actor, at, {
        action: 'authority.created',
        organizationId,
        subject: { kind: 'authority', id },
        details,
      })
    })
  } catch (error) {
    if (isUniqueViolation(error))
      throw new Failure('conflict', `there is an authority ${name} already`, { cause: error })
    throw error
  }
}

async function register(context: AdminContext, name: string, draft: RegistrationDraft): Promise<AuthorityView> {
  const { it, requester } = context
  const { id, organizationId } = await managed(context, name)
  const view = await viewUpstream(it.db, id)
  const before = await loadUpstreamAccount(it, id)
  if (!view || !before) throw new Failure('unsupported', `${name} has no CA upstream`)
  const { url: _, ...place } = before
  const key = generateKey('P-256')
  const url = await registered(it, { ...place, key }, { ...draft, contact: view.contact })
  const at = it.clock()
  await transaction(it.db, async (db) => {
    const tables = withTables<CoreTables>(db)
    const stored = { key, purpose: accountKeyPurpose, organizationId }
    const keyId = await storeKey(db, it.vault, stored, { actor: requester, at })
    await tables
      .updateTable('upstream_accounts')
      .set({ key_id: keyId, account_url: url, eab_kid: draft.externalAccount?.kid ?? null })
      .where('authority_id', '=', id)
      .execute()
    // Orders of the old account are nobody's now.
    await tables
      .updateTable('upstream_work')
      .set({ order_url: null, finalized: 0, next_at: at.getTime() })
      .where('authority_id', '=', id)
      .execute()
    await tables
      .updateTable('authorities')
      .set((eb) => ({ version: eb('version', '+', 1) }))
      .where('id', '=', id)
      .execute()
    await audit(db, requester, at, {
      action: 'authority.changed',
      organizationId,
      subject: { kind: 'authority', id },
      details: { name, account: url },
    })
  })
  return showAuthority(context, name)
}

async function managed({ it, requester }: AdminContext, name: string): Promise<{ id: number; organizationId: number }> {
  const actor = await actorOf(it.db, requester)
  const { id, organization_id: organizationId } = await findAuthorityRow(it.db, actor, name)
  await requireCapability(it.db, actor, 'manage', { organizationId, authorityId: id })
  return { id, organizationId }
}

async function examine({ it, requester }: AdminContext, name: string): Promise<UpstreamExamined> {
  const { id } = await findAuthorityRow(it.db, await actorOf(it.db, requester), name)
  const { signs } = await loadAuthority(it, id)
  const view = await viewUpstream(it.db, id)
  if (!view || !signs.upstream) throw new Failure('unsupported', `${name} has no CA upstream`)
  const { revokes } = await signs.upstream.directory()
  return { directory: view.directory, known: await signs.upstream.isKnown(), revokes }
}
