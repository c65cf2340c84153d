/**
 * What a document demands of a server, in our words, and the tests that prove it: each `file: part of the title`, the file without
 * .test.ts. Every one of them must be there and pass.
 */
export type Requirement = readonly [section: string, requirement: string, ...tests: string[]]

export interface Specification {
  name: string
  requirements: readonly Requirement[]
}
