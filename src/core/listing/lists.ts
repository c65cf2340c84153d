import type { Installation } from '../installation.ts'
import { requestDetail } from '../request/requestDetail.ts'
import type { Requester } from '../requester.ts'
import { createSearches } from '../search/searchRows.ts'
import { listAudit } from './auditList.ts'
import { listCertificates } from './certificateList.ts'
import { certificateRecord } from './certificateRecord.ts'
import { exportCsv } from './exportRows.ts'
import { history } from './history.ts'
import { usualPace } from './keyset.ts'
import { latestEvent } from './latestEvent.ts'
import type { Listing } from './listing.ts'
import { listRequests } from './requestList.ts'

/** What a requester may list. `pace` says how far one call looks. */
export function createListing(it: Installation, requester: Requester, pace = usualPace): Listing {
  return {
    ...createSearches(it, requester),
    requests: (filter) => listRequests(it, requester, filter, pace),
    request: (ref, kind) => requestDetail(it, requester, ref, kind),
    latest: (seen) => latestEvent(it.db, requester, seen),
    history: (ref) => history(it, requester, ref),
    csv: (draft) => exportCsv(it, requester, draft),
    audit: (filter) => listAudit(it, requester, filter, pace),
    record: (ref) => certificateRecord(it, requester, ref),
    certificates: (filter) => listCertificates(it, requester, filter, pace),
  }
}
