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
import { type Certificate, findCertificate } from './certificate.ts'
import { askChallenge, isChallenge, redeemChallenge, tellElsewhere } from './challengeAsk.ts'
import { createConfiguration } from './configuration.ts'
import type { Core, Door } from './core.ts'
import { admitCredential, findCredential, redeemCredential } from './credential.ts'
import { currentCrl } from './crl.ts'
import { csrWishes } from './csrAttributes.ts'
import { createDecisions } from './decisionRecords.ts'
import { createDelegations } from './delegations.ts'
import { createDiscoveries } from './discovery.ts'
import { createEnrolment } from './enrolment.ts'
import { Failure } from './failure.ts'
import { afterApproval, afterRetry } from './follow.ts'
import { foresee } from './foresee.ts'
import { createGroups } from './groups.ts'
import { unhold } from './hold.ts'
import { createIdentities } from './identities.ts'
import type { Installation } from './installation.ts'
import { createInventory } from './inventory.ts'
import { wouldKeepNames } from './keptNames.ts'
import { createKeyPairs } from './keyPairs.ts'
import { createLimits } from './limits.ts'
import { createListing } from './lists.ts'
import { askRevocation, mayAskRevocation, maySee, maySign, mayUpload } from './mayAsk.ts'
import { messageKeys } from './messageKey.ts'
import { nextCa } from './nextCa.ts'
import { type AnswerOcsp, createOcsp } from './ocsp.ts'
import { createOptionSets } from './optionSets.ts'
import { overview } from './overview.ts'
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
import { createRevocationCodes } from './revocationCode.ts'
import { linkCertificates } from './rollover.ts'
import { createSavedViews } from './savedViews.ts'
import { createServerKeys } from './serverKeys.ts'
import { servingProfile } from './servingProfile.ts'
import { sign } from './sign.ts'
import { signIn } from './signIn.ts'
import { simulate, simulateRevocation } from './simulate.ts'
import { createStandingApprovals } from './standingApprovals.ts'
import { submit } from './submit.ts'
import { successor } from './successor.ts'
import type { CoreTables } from './tables.ts'
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
    revoke: (draft, claim) => askRevocation(it, requester, draft, claim),
    overview: () => overview({ it, requester }),
    get views() {
      return createSavedViews({ it, requester })
    },
    get revocationCodes() {
      return createRevocationCodes(
        { it, requester },
        {
          may: (certificate) => mayAskRevocation(it, requester, certificate),
          revoke: (draft, claim) => askRevocation(it, requester, draft, claim),
        },
      )
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
    upload: async (ref, chain, attributes) => {
      await mayUpload(it, requester, ref)
      return upload(it, requester, ref, { chain, attributes })
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
    get discovery() {
      return createDiscoveries(it, requester)
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
