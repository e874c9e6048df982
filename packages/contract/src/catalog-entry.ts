/** What a code of the catalogue says. */
export interface CatalogEntry {
  status: number;
  title: string;
  /** Whether the same request may succeed when it is simply sent again. */
  retryable: boolean;
  /** What it means and what to do: shown in the documentation. */
  description: string;
}

export const entry = (status: number, title: string, description: string, retryable = false): CatalogEntry => ({
  status,
  title,
  retryable,
  description,
});
