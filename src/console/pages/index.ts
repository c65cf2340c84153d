import type { Route } from '../page.ts'
import { overviewPages } from './overview.tsx'
import { requestListPages } from './requestList.tsx'

/** Every page and action of the console for those who have signed in. */
export const pages: readonly Route[] = [...overviewPages, ...requestListPages]
