import type { Route } from '../page.ts'
import { certificateDetailPages } from './certificateDetail.tsx'
import { certificateDownloadPages } from './certificateDownload.tsx'
import { certificateEditPages } from './certificateEdit.tsx'
import { certificateListPages } from './certificateList.tsx'
import { certificateRenewPages } from './certificateRenew.tsx'
import { certificateRevokePages } from './certificateRevoke.tsx'
import { certificateSavedPages } from './certificateSaved.tsx'
import { certificateUploadPages } from './certificateUpload.tsx'
import { newRequestPages } from './newRequest.tsx'

/** All about certificates. Fixed paths come before those with a uuid in their place. */
export const certificatePages: readonly Route[] = [
  ...certificateListPages,
  ...certificateUploadPages,
  ...certificateDetailPages,
  ...certificateDownloadPages,
  ...certificateEditPages,
  ...certificateRevokePages,
  ...certificateRenewPages,
  ...certificateSavedPages,
  ...newRequestPages,
]
