import { createAdmin } from './adminDoor.ts'
import { createConfiguration } from './apply/configuration.ts'
import { createApprovalPlans } from './approval/approvalPlans.ts'
import { createApprovals } from './approval/approvals.ts'
import { createDecisions } from './approval/decisionRecords.ts'
import { createDelegations } from './approval/delegations.ts'
import { createStandingApprovals } from './approval/standingApprovals.ts'
import { createDiscoveries } from './discovery/discovery.ts'
import { createEnrolment } from './enrolment/enrolment.ts'
import { createLimits } from './enrolment/limits.ts'
import type { Installation } from './installation.ts'
import { createInventory } from './inventory/inventory.ts'
import { afterApproval, afterRetry } from './issuance/follow.ts'
import { askRevocation, mayAskRevocation, maySign } from './issuance/mayAsk.ts'
import { createKeyPairs } from './key/keyPairs.ts'
import { createServerKeys } from './key/serverKeys.ts'
import { createListing } from './listing/lists.ts'
import { createGroups } from './login/groups.ts'
import { createIdentities } from './login/identities.ts'
import { createOptionSets } from './profile/optionSets.ts'
import { createRaProfiles } from './profile/raProfiles.ts'
import type { Requester } from './requester.ts'
import { createRevocationCodes } from './revocation/revocationCode.ts'
import { createSavedViews } from './search/savedViews.ts'
import { createCustody } from './upkeep/custody.ts'
import { createWebhooks } from './webhook/webhooks.ts'

/** Checks the options of protocols on a profile by the adapters' own schemas; throws Failure('malformed'). */
export type CheckProtocols = (protocols: Record<string, unknown>) => void

/** What a door stands on. */
export interface Opened {
  it: Installation
  requester: Requester
  checkProtocols: CheckProtocols
}

/** What is opened when it is asked for. On a prototype: getters of each door's own took longer to define than all else that a door is made of. */
export class Parts {
  readonly #on: Opened

  constructor(on: Opened) {
    this.#on = on
  }

  get views() {
    return createSavedViews(this.#on)
  }

  get revocationCodes() {
    return createRevocationCodes(this.#on, {
      may: (certificate) => mayAskRevocation(this.#on.it, this.#on.requester, certificate),
      revoke: (draft, claim) => askRevocation(this.#on.it, this.#on.requester, draft, claim),
    })
  }

  get identities() {
    return createIdentities(this.#on.it, this.#on.requester)
  }

  get enrolment() {
    return createEnrolment(this.#on.it, this.#on.requester)
  }

  get serverKeys() {
    return createServerKeys(this.#on.it, this.#on.requester, (profile) =>
      maySign(this.#on.it, this.#on.requester, profile),
    )
  }

  get keyPairs() {
    return createKeyPairs(this.#on, (profile) => maySign(this.#on.it, this.#on.requester, profile))
  }

  get limits() {
    return createLimits(this.#on.it, this.#on.requester)
  }

  get inventory() {
    return createInventory(this.#on.it, this.#on.requester)
  }

  get discovery() {
    return createDiscoveries(this.#on.it, this.#on.requester)
  }

  get approvals() {
    return createApprovals({
      db: this.#on.it.db,
      clock: this.#on.it.clock,
      requester: this.#on.requester,
      approved: afterApproval(this.#on.it, this.#on.requester),
      retry: afterRetry(this.#on.it, this.#on.requester),
    })
  }

  get groups() {
    return createGroups(this.#on)
  }

  get delegations() {
    return createDelegations(this.#on)
  }

  get standingApprovals() {
    return createStandingApprovals(this.#on)
  }

  get approvalPlans() {
    return createApprovalPlans(this.#on)
  }

  get decisions() {
    return createDecisions(this.#on.it, this.#on.requester)
  }

  get raProfiles() {
    return createRaProfiles(this.#on)
  }

  get optionSets() {
    return createOptionSets(this.#on)
  }

  get webhooks() {
    return createWebhooks(this.#on)
  }

  get configuration() {
    return createConfiguration(this.#on)
  }

  get custody() {
    return createCustody(this.#on)
  }

  get admin() {
    return createAdmin(this.#on.it, this.#on.requester, this.#on.checkProtocols)
  }

  get list() {
    return createListing(this.#on.it, this.#on.requester)
  }
}
