"""Foundation: errors, arguments, digests, time and files, for all other folders. It knows no sample and no model."""
