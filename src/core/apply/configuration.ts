import type { ProfileContext } from '../profile/raProfiles.ts'
import { type ApplyOptions, type ApplyReport, apply } from './apply.ts'
import { exportDocument } from './applyExport.ts'
import type { ApplyDocument } from './applySchema.ts'

/** An organization as one document: people, authorities, profiles, and what belongs to them. Both throw Failure: forbidden, notFound. */
export interface Configuration {
  /** See apply.ts. Throws Failure besides: malformed, tooLarge, conflict, and what each part throws, with a problem for each place. */
  apply(text: string, options?: ApplyOptions): Promise<ApplyReport>
  /** What `apply` would find nothing to do for. Needs an administrator. Absent: of the requester's own organization. */
  export(organization?: string): Promise<Partial<ApplyDocument>>
}

export function createConfiguration(context: ProfileContext): Configuration {
  return {
    apply: (text, options) => apply(context, text, options),
    export: (organization) => exportDocument(context, organization),
  }
}
