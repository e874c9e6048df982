/** The server answers this path with the built file of the signature package. */
export * from '@sirgiving/signature/browser';
