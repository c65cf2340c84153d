import type { Listing } from './listing.ts'
export function createListing(..._: unknown[]): Listing {
  throw new Error('written by the admin task: replace this file')
}
