import { withTables } from '../db/tables.ts'
import { transaction } from '../db/transaction.ts'
import { createAdmin } from './adminDoor.ts'
import { admitNames } from './admitNames.ts'
import { alternateChains } from './alternateChain.ts'
import { createApprovalPlans } from './approvalPlans.ts'
import { createApprovals } from './approvals.ts'
import { auditAccount } from './audit.ts'
import { createAuthentication } from './authentication.ts'
import { loadIssuer } from './authority.ts'
import { readChain } from './authorityChain.ts'
import { hasCapability } from './capability.ts'
import { type Certificate, findCertificate } from './certificate.ts'
import { askChallenge, isChallenge, redeemChallenge, tellElsewhere } from './challengeAsk.ts'
import { createConfiguration } from './configuration.ts'
import type { Core, Door } from './core.ts'
import { admitCredential, findCredential, redeemCredential } from './credential.ts'
import { currentCrl } from './crl.ts'
import { csrWishes } from './csrAttributes.ts'
import { createDecisions } from './decisionRecords.ts'
import { createDelegations } from './delegations.ts'
import { createEnrolment } from './enrolment.ts'
import { Failure } from './failure.ts'
import { afterApproval, afterRetry } from './follow.ts'
import { foresee } from './foresee.ts'
import { createGroups } from './groups.ts'
import { actingUser } from './held.ts'
import { unhold } from './hold.ts'
import { asRevoker } from './holder.ts'
import { createIdentities } from './identities.ts'
import type { Installation } from './installation.ts'
import { createInventory } from './inventory.ts'
import { wouldKeepNames } from './keptNames.ts'
import { createKeyPairs } from './keyPairs.ts'
import { createLimits } from './limits.ts'
import { createListing } from './lists.ts'
import { messageKeys } from './messageKey.ts'
import { nextCa } from './nextCa.ts'
import { type AnswerOcsp, createOcsp } from './ocsp.ts'
import { createOptionSets } from './optionSets.ts'
import { park } from './park.ts'
import type { RaProfile } from './profile.ts'
import { loadProfile } from './profiles.ts'
import { createRaProfiles } from './raProfiles.ts'
import { findByOrigin, readSignRequest } from './records.ts'
import { readRegistration } from './registrationRead.ts'
import { rememberForNextOrder } from './remember.ts'
import { findByCertId, renewalWindow } from './renewal.ts'
import { requestedNames } from './requestedNames.ts'
import type { Requester } from './requester.ts'
import { revise } from './revise.ts'
import { revoke } from './revoke.ts'
import { linkCertificates } from './rollover.ts'
import { createServerKeys } from './serverKeys.ts'
import { servingProfile } from './servingProfile.ts'
import { sign } from './sign.ts'
import { signIn } from './signIn.ts'
import { simulate, simulateRevocation } from './simulate.ts'
import { createStandingApprovals } from './standingApprovals.ts'
import { submit } from './submit.ts'
import { successor } from './successor.ts'
import type { CoreTables } from './tables.ts'
import { allows, reaches } from './tokenScope.ts'
import { upload } from './upload.ts'
import { findKeyAuthorization } from './upstreamProof.ts'
import { variantOf } from './variant.ts'
import { createWebhooks } from './webhooks.ts'

/** Checks the options of protocols on a profile by the adapters' own schemas; throws Failure('malformed'). */
export type CheckProtocols = (protocols: Record<string, unknown>) => void

/** The core, ready to be asked. */
export function createCore(it: Installation, checkProtocols: CheckProtocols): Core {
  const ocsp = createOcsp(it)
  return {
    as: (requester) => openDoor(it, requester, { checkProtocols, ocsp }),
    authentication: createAuthentication(it),
  }
}

interface Shared {
  checkProtocols: CheckProtocols
  ocsp: AnswerOcsp
}

function openDoor(it: Installation, requester: Requester, { checkProtocols, ocsp }: Shared): Door {
  const { db } = it
  return {
    profile: (name, protocol) => profileFor(it, requester, name, protocol),
    serving: (ref, protocol) => servingProfile(db, requester, ref, protocol),
    variant: variantOf,
    sign: async (draft, claim) => {
      await maySign(it, requester, draft.profile)
      return sign(it, requester, draft, claim)
    },
    foresee: async (draft) => {
      await maySign(it, requester, draft.profile)
      return foresee(it, requester, draft)
    },
    revoke: async (draft, claim) => {
      await mayAskRevocation(it, requester, draft.certificate)
      return revoke(it, await asRevoker(db, requester, draft), draft, claim)
    },
    park: async (draft, claim) => {
      await maySign(it, requester, draft.profile)
      return park(it, requester, draft, claim)
    },
    submit: (ref, change = {}, claim) => submit(it, requester, { ref, change, claim }),
    revise: (ref, change) => revise(it, requester, ref, change),
    registration: (ref) => readRegistration(it, requester, ref),
    successor: (certificate, how, csr) => successor(it, requester, { certificate, how, csr }),
    unhold: (draft) => unhold(it, requester, draft),
    simulate: (draft, asker) => simulate(it, requester, draft, asker),
    simulateRevocation: (draft, asker) => simulateRevocation(it, requester, draft, asker),
    findSignRequest: async (origin) => {
      const request = (await findByOrigin(db, origin))?.request
      return request && (await maySee(it, requester, request)) ? request : undefined
    },
    findCertificate: async (ref) => {
      const certificate = await findCertificate(db, ref)
      return certificate && (await maySee(it, requester, certificate)) ? certificate : undefined
    },
    requestedNames,
    keepsNames: wouldKeepNames,
    chain: (certificate) => chainOf(it, certificate),
    alternateChains: async ({ authorityCertificateId: id }) => (id === undefined ? [] : alternateChains(it, id)),
    findByCertId: async (id) => {
      const certificate = await findByCertId(it, id)
      return certificate && (await maySee(it, requester, certificate)) ? certificate : undefined
    },
    renewalWindow: (certificate) => renewalWindow(db, certificate),
    messageKeys: (profile, source) => messageKeys(it, profile, source),
    nextCa: (profile, source) => nextCa(it, profile, source),
    authorityChain: (authority) => readChain(it, authority),
    linkCertificates: (root) => linkCertificates(it, root),
    upload: async (ref, chain) => {
      await mayUpload(it, requester, ref)
      return upload(it, requester, ref, chain)
    },
    keyAuthorization: (token) => findKeyAuthorization(db, token),
    crl: (ref) => currentCrl(it, ref),
    ocsp,
    answered: (ref) => markAnswered(it, ref),
    admitNames: (profile, identifiers, period = {}) => admitNames(it, profile, identifiers, period),
    credential: (profile, kind, name) => findCredential(it, profile, kind, name),
    redeemCredential: (db, id) => redeemCredential(db, { actor: requester, at: it.clock() }, id),
    admitCredential: (db, id, identifiers, until) => admitCredential(db, id, identifiers, until),
    challenge: (profile, given, asked, elsewhere) => askChallenge(it, requester, { profile, given, asked, elsewhere }),
    tellElsewhere: (profile, tell) => tellElsewhere(it, profile, tell),
    isChallenge: (profile, given) => isChallenge(it, profile, given),
    signIn: (shown, place) => signIn(it, shown, place),
    redeemChallenge: (db, grant) => redeemChallenge(db, { actor: requester, at: it.clock() }, grant),
    record: (db, event) => auditAccount(db, requester, it.clock(), event),
    csrWishes,
    get identities() {
      return createIdentities(it, requester)
    },
    get enrolment() {
      return createEnrolment(it, requester)
    },
    get serverKeys() {
      return createServerKeys(it, requester, (profile) => maySign(it, requester, profile))
    },
    get keyPairs() {
      return createKeyPairs({ it, requester }, (profile) => maySign(it, requester, profile))
    },
    get limits() {
      return createLimits(it, requester)
    },
    get inventory() {
      return createInventory(it, requester)
    },
    get approvals() {
      return createApprovals({
        db,
        clock: it.clock,
        requester,
        approved: afterApproval(it, requester),
        retry: afterRetry(it, requester),
      })
    },
    get groups() {
      return createGroups({ it, requester })
    },
    get delegations() {
      return createDelegations({ it, requester })
    },
    get standingApprovals() {
      return createStandingApprovals({ it, requester })
    },
    get approvalPlans() {
      return createApprovalPlans({ it, requester, checkProtocols })
    },
    get decisions() {
      return createDecisions(it, requester)
    },
    get raProfiles() {
      return createRaProfiles({ it, requester, checkProtocols })
    },
    get optionSets() {
      return createOptionSets({ it, requester, checkProtocols })
    },
    get webhooks() {
      return createWebhooks({ it, requester })
    },
    get configuration() {
      return createConfiguration({ it, requester, checkProtocols })
    },
    get admin() {
      return createAdmin(it, requester, checkProtocols)
    },
    get list() {
      return createListing(it, requester)
    },
  }
}

async function profileFor(it: Installation, requester: Requester, name: string, protocol: string): Promise<RaProfile> {
  const profile = await loadProfile(it.db, name)
  const serves = !profile.builtin && profile.enabled && Object.hasOwn(profile.protocols, protocol)
  if (!serves || !(await maySee(it, requester, { ...profile, profileId: profile.id }))) {
    throw new Failure('notFound', 'there is no such profile')
  }
  return profile
}

/** Built-in profiles are the installation's own: no door reaches them. People need create_cert. */
async function maySign(it: Installation, requester: Requester, profile: RaProfile): Promise<void> {
  if (profile.builtin || !profile.enabled) throw new Failure('notFound', 'there is no such profile')
  if (requester.kind !== 'user' && requester.kind !== 'token') return
  const { organizationId, authorityId, id: profileId } = profile
  const user = await actingUser(it.db, requester)
  if (!user || (!user.superuser && user.organizationId !== organizationId))
    throw new Failure('notFound', 'there is no such profile')
  if (!(await hasCapability(it.db, user, 'create_cert', { organizationId, authorityId, profileId }))) {
    throw new Failure('forbidden', `you may not order certificates of the profile ${profile.name} (create_cert)`)
  }
}

interface Seen {
  organizationId: number
  authorityId?: number
  profileId?: number
}

/** People see what is of their organization, through a token what its scope reaches; what clients ask for, their protocol lets them. */
async function maySee(it: Installation, requester: Requester, { organizationId, ...place }: Seen): Promise<boolean> {
  if (requester.kind !== 'user' && requester.kind !== 'token') return true
  const user = await actingUser(it.db, requester)
  if (!user || (!user.superuser && user.organizationId !== organizationId)) return false
  return reaches(user.scope, place)
}

/** Anyone of the organization may ask; whether it passes, waits or is refused is the rules' word. */
async function mayAskRevocation(it: Installation, requester: Requester, id: number): Promise<void> {
  if (requester.kind === 'system') {
    throw new Failure(
      'forbidden',
      'a revocation needs a user: name a token of yours (access to the data folder is nobody’s approval)',
    )
  }
  const certificate = await findCertificate(it.db, { id })
  if (!certificate || !(await maySee(it, requester, certificate)))
    throw new Failure('notFound', 'there is no such certificate')
  if (!allows(requester.scope, 'revoke_cert', certificate))
    throw new Failure('forbidden', 'this token asks for no revocation: its scope has no revoke_cert here')
}

async function mayUpload(it: Installation, requester: Requester, ref: number | string): Promise<void> {
  if (requester.kind === 'system') return
  const request = await readSignRequest(it.db, ref)
  const user = await actingUser(it.db, requester)
  const { organizationId, authorityId, profileId } = request
  if (!user || !(await maySee(it, requester, request))) throw new Failure('notFound', 'there is no such request')
  if (!(await hasCapability(it.db, user, 'manage', { organizationId, authorityId, profileId }))) {
    throw new Failure('forbidden', 'uploading a certificate needs the capability manage')
  }
}

/** The issuers above a certificate, nearest first, as DER. */
async function chainOf(it: Installation, certificate: Certificate): Promise<Buffer[]> {
  if (certificate.authorityCertificateId === undefined) return []
  const issuer = await loadIssuer(it, certificate.authorityCertificateId)
  return [issuer.certificate.der, ...issuer.chain]
}

async function markAnswered(it: Installation, ref: number | string): Promise<void> {
  await transaction(it.db, async (db) => {
    const marked = await withTables<CoreTables>(db)
      .updateTable('sign_requests')
      .set({ answered: 1 })
      .where(typeof ref === 'number' ? 'id' : 'uuid', '=', ref)
      .where('answered', '=', 0)
      .returning('id')
      .executeTakeFirst()
    if (marked) await rememberForNextOrder(db, await readSignRequest(db, marked.id), it.clock())
  })
}
