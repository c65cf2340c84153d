import type { Need } from './need.ts'
import type { Role } from './role.ts'
import type { Scene } from './scene.ts'

/** What came of a call: let in, let in and shown nothing of it, or the status of a refusal. */
export type Outcome = 'yes' | 'empty' | '401' | '403' | '404' | '400' | '409' | '422'

/** One call that would do, by who may. */
export interface Sample {
  /** In the path, by name; what is absent names `open` of the scene. */
  params?: Record<string, string>
  /** With its question mark. */
  query?: string
  body?: unknown | undefined
  /** In place of a body: as it is. */
  raw?: string
  headers?: Record<string, string>
  /** Stands in the answer to those who see it: of a list. */
  shows?: string
}

/** What is expected of one operation. */
export interface Row {
  needs: Need
  /** A list: who lacks what it needs gets it without what is not for him. */
  list?: true
  /** Changes nothing, whatever its method. */
  reads?: true
  /** Belongs to an RA profile: a token for another one does not see it. */
  ofProfile?: true
  /** On an order or a certificate, which who may not read it does not see. */
  record?: true
  /** Nobody sees it but who may do this. */
  hidden?: true
  /** Called again for each object that a call has used up. Absent: as the parameters of the path say. */
  sample?(scene: Scene): Sample | Promise<Sample>
  /** Cells that differ from what the need says. */
  but?: Partial<Record<Role, Outcome>>
  /** The status that those get who are let in, where nothing can succeed here. */
  answers?: number
  /** Why `but` or `answers`: a sentence for the page. */
  note?: string
}

/** By method and path. */
export type Rows = Record<string, Row>
